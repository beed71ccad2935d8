"""The words of the marketplace: themes, needs, styles, in a notation of their own."""
