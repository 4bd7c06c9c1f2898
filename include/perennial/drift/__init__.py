"""How far a window of data lies from what its model considers normal.

`profiles` say what the columns of a window look like, and `reference` keeps what the training windows looked like.
`assess` compares a window with the reference, column by column (`columns`) and the columns together
(`joint_comparison`), and gives a verdict. `accumulate` adds up what many windows say.
"""
