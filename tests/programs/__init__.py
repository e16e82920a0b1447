"""Stand-ins for the measuring program: quick, and misbehaving in every way it must survive."""
