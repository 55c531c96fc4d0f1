"""Documents into passages: at headings and sentences, as many tokens as a model takes."""
