"""Settings of the properties."""

from hypothesis import HealthCheck, settings

# No example fails for the time it takes: other tests keep the machine busy.
settings.register_profile(
    "unit", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unit")
