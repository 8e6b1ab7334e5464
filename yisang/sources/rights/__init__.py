"""What a site and a page say about their use: robots.txt, opt-out signals, licences. Read from bytes alone; nothing here fetches."""
