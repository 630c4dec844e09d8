"""
What the pipeline asks of the outside world, one file a port and one method for one call of AWS.

Every method may raise `TemporaryError` (try again later) and `FinalError` with ACCESS_DENIED; what else a method
raises stands at the method. "Already there" is success everywhere: success means "it is there", not "I put it there".
"""
