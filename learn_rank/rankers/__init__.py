"""The reference ranker, a host's own ranker with the plugin in it, and the loop that trains both."""
