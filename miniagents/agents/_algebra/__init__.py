"""THE ALGEBRA: what agents are composed to; each operator is one room, and what it makes is an agent again.

A room holds what a composition *runs*: a frozen value that is called like an agent function. So it knows no
``MiniAgent``; whoever inquires makes an agent of it. ``race``, ``route`` and ``identity`` begin with no agent
in hand and make theirs by themselves.
"""
