"""Profiles for the state machines: `pytest tests/stateful --hypothesis-profile=thorough` searches for an hour."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough",
    max_examples=1500,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
