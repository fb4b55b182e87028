"""From the bytes of a document to its blocks: one module for each family of formats. Runs in the parser's process only."""
