"""Work cut into jobs and done anywhere: processes, a Ray cluster, progress, intervals, and what command lines share."""
