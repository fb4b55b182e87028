"""What Footnote may do in a workspace that installs it: the bot scopes of deploy/slack-manifest.yaml."""

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "mpim:history",
    "mpim:read",
    "users:read",
    "users:read.email",
)
