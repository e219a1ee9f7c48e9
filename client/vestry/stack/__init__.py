"""The whole of vestry on one machine: stores, registrar, verifier; started, watched and stopped as one.

settings.py   the few settings that concern the whole
service.py    a service as a child: its log, its readiness
plan.py       which services there are, and what each is told
interrupt.py  being asked to stop, by a signal or by the parent's end
greeting.py   what is said when everything is up
run.py        the order of things
"""
