"""Real servers on this machine, and a conversation with each: `transformers serve` and the proxy of LiteLLM.

A tiny model with random weights, made on the spot, talks nonsense, but the same nonsense to the same
question: what an agent streams, what it gets as a whole, and what the SDK gets are compared, over several
turns.

python -m tests.servers                     both; installing them takes some minutes and 2 GB
python -m tests.servers --keep FOLDER       what is installed stays in the folder for the next time
python -m tests.servers --keep FOLDER transformers
"""
