"""The quickstart: a small Korean question web of our own writing, its server, a first page fetcher, the run and its student."""
