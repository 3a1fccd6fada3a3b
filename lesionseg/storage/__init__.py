"""Files written whole or not at all, locks, hashes, memory limits and process pools."""
