"""The plan job turns an event into a plan, its issues and the shares of the work jobs."""
