"""Random answers of servers, read by the official SDKs and by the agents: both must make the same of them.

python -m tests.wire.differential                               2,000 streams
python -m tests.wire.differential --count 100000 --seed 7       as `.ci/nightly` does
python -m tests.wire.differential --only chat:41               one of them again, with all its bytes
"""
