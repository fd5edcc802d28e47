"""The texts that Concertmaster writes on GitHub."""
