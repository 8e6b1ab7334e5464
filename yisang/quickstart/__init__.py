"""The quickstart: small question webs of our own writing, their server, a first page fetcher, the run and its student."""
