"""Homework that grades itself: `dmlviz course release | check | grade`.

One notebook per assignment is written by hand, the instructor's, in nbgrader's format. From it
comes the student's copy (`release`); the student's copy gives feedback as it runs (`checks`), and a
folder of hand-ins becomes a table of points and a page for each student (`grade`).

The checks in the notebooks need nothing but this package. The three commands lean on nbgrader:
`pip install 'dmlviz[course]'`.
"""
