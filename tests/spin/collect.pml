/*
 * A lookup never shows more than its owner held at one time.
 *
 * A chain lies in several runs, and how much of each the owner covers is
 * read one after the other while the owner's events go on: a head that is
 * gone by now, and a tail that came later, must not be added up.  Each run
 * has a version that moves after its coverage has shrunk.  A lookup reads
 * the version before the coverage, run by run, and all versions again at
 * the end: if none moved, then at that moment before the end at which the
 * last coverage was read the owner covered at least all that was read.
 *
 * Faults to be found: NO_RECHECK, LATE_VERSION (read after the coverage),
 * EARLY_VERSION (moved before the coverage shrinks).
 */
#define RUNS 3
#define FULL 2 /* blocks of a run */
#define EVENTS 5
#define LOOKUPS 2
#define RETRIES 3

byte covered[RUNS];
byte shrunk[RUNS]; /* versions */

/* The most that the owner ever scored since the lookup began. */
byte most;

inline note_score(score)
{
	score = covered[0];
	if
	:: covered[0] == FULL ->
		score = score + covered[1];
		if
		:: covered[1] == FULL -> score = score + covered[2]
		:: else
		fi
	:: else
	fi;
	if
	:: score > most -> most = score
	:: else
	fi;
	score = 0
}

/* Any store or removal, of any run: holes come and heal. */
proctype owner()
{
	byte run_, to, n, score;

	do
	:: n < EVENTS ->
		n++;
		if
		:: run_ = 0
		:: run_ = 1
		:: run_ = 2
		fi;
		if
		:: to = 0
		:: to = 1
		:: to = FULL
		fi;
		if
		:: to < covered[run_] ->
#ifdef EARLY_VERSION
			shrunk[run_]++;
#endif
			covered[run_] = to;
#ifndef EARLY_VERSION
			shrunk[run_]++
#endif
		:: else ->
			/* The score may grow: in one step with the store. */
			d_step { covered[run_] = to; note_score(score) }
		fi
	:: else -> break
	od
}

proctype lookup()
{
	byte version[RUNS], sum, seen, i, n, tries, score;
	bool same;

	do
	:: n < LOOKUPS ->
		n++;
		tries = 0;
again:
		atomic { most = 0; note_score(score) }
		sum = 0;
		i = 0;
		do
		:: i < RUNS ->
#ifdef LATE_VERSION
			seen = covered[i];
			version[i] = shrunk[i];
#else
			version[i] = shrunk[i];
			seen = covered[i];
#endif
			sum = sum + seen;
			i++;
			if
			:: seen < FULL -> break
			:: else
			fi
		:: else -> break
		od;
		same = true;
#ifndef NO_RECHECK
		do
		:: i > 0 -> i--; same = same && version[i] == shrunk[i]
		:: else -> break
		od;
#endif
		if
		:: same -> assert(sum <= most)
		:: !same && tries < RETRIES -> tries++; goto again
		:: else /* a real one then waits for the writers */
		fi
	:: else -> break
	od
}

init {
	atomic { run owner(); run lookup() }
}
