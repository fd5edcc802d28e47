"""Makes the plan: order, exclusions, estimates, slots and shares."""
