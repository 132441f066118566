"""The admission server (aiohttp); installed with the extra `webhook`."""
