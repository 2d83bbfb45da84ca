from hypothesis import settings

# Busy machines stretch single examples: no deadline on any of them.
settings.register_profile("space", deadline=None)
settings.load_profile("space")
