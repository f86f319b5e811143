"""Several runs, over seeds and values of fields: what ``train.py --seeds`` and ``--sweep`` do."""
