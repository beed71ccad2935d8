"""Before a test: the users and days that it needs to find a declared lift, from untreated traffic."""
