"""What the commands of the terminal do: keep the processes of one machine, measure without a server, talk to one."""
