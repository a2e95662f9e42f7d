"""From words to an experiment: by rules, or by a language model whose answer the rules check."""
