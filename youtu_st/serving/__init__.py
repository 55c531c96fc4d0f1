"""HTTP: one server with the right vector, for clients that speak OpenAI's or Cohere's shape."""
