"""What each verb does: it reads the command line, calls the rooms below, and shows what came out.

A module here is imported only when its verb is called, so that verbs that need no model import no torch.
"""
