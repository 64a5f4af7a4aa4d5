"""Code that no test misses: a statement or a condition is taken away, and a test of the module must be red.

python -m tests.mutations miniagents/agents/_run.py             one module, with its own tests
python -m tests.mutations miniagents/agents --tests tests/laws  all of a layer; also with these tests
python -m tests.mutations miniagents/agents/_run.py --line 120  only what is at this line
python -m tests.mutations miniagents/agents/_run.py --list      what would be taken away

A mutation that a module's own test does not notice is tried with all tests of its layer, and with those that
`--tests` names. Those that nothing notices are printed at the end; the number of them is the exit code. Some
are no mistakes: what is taken away there changes nothing that is promised.

It is our own because the tools do not fit: mutmut leaves decorated functions out and replaces the others,
whose signatures and frames our agents look at; neither mutmut nor cosmic-ray takes statements away.
"""
