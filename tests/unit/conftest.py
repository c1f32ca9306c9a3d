"""Settings of the properties: found by chance once, tried again by everybody."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, database=None)
settings.load_profile("unit")
