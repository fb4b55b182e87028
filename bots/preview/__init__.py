"""What people see, drawn without Slack and Discord: each kind of message as both show it, beside what is sent."""
