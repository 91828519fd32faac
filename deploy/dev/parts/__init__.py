"""The parts of the development stack: what each needs, how it starts, when it answers. The command line is ../stack."""
