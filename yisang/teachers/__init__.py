"""Teachers: engines that answer, the store that keeps every answer, and the stream that joins the two."""
