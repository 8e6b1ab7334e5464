"""The quickstart: a small Korean question web of our own writing, its server, and a first page fetcher."""
