"""Steps, recipes, runners and books: how records flow, and the proof that none is lost."""
