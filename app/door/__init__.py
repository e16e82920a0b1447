"""Everything between the network and a route: who is asking, what may come in, how answers leave."""
