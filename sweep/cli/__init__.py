"""The command line: words, help, exit codes."""
