"""The agent functions of compositions of agents.

Each module has what one operation *runs*: a value that is called like an agent function. It does not know
``MiniAgent``; the method of the operation makes an agent of it. ``race``, ``route`` and ``identity`` are not
methods and make their agents themselves.
"""
