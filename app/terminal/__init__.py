"""What the commands of the terminal do: keep one machine's processes, load the demo, measure with no server, talk to one."""
