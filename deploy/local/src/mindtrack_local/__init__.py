"""The whole MindTrack stack on one machine, without Docker: a launcher, and a library for tests.

    with Stack(StackConfig(var=folder)) as stack, MindTrack(stack.base_url, stack.token("someone")) as client:
        ...

`mindtrack_local.stack.Stack` is everything, `mindtrack_local.infrastructure.Infrastructure` everything but
the services. Nothing is imported here: the guardian process must stay small.
"""
