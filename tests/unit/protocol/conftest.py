"""How Hypothesis runs the protocol's properties: without a deadline, for a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("protocol", deadline=None, max_examples=100)
if settings.get_current_profile_name() == "default":
    # A profile that was chosen (by the command line, a conftest above, or on CI) stays.
    settings.load_profile("protocol")
