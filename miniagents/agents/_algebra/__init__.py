"""What compositions of agents run.

A module here holds what one operation *runs*: a value that is called like an agent function. So it knows no
``MiniAgent``; the agent that the operation is called on makes one of it. ``race``, ``route`` and ``identity``
begin with no agent in hand and make theirs by themselves.
"""
