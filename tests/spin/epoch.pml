/*
 * Memory that readers may still look at is not reused.
 *
 * A reader announces the epoch in a slot of its own, without a fence: the
 * announcement waits in its store buffer, which may drain at any time.  A
 * writer that took an object away tags it with the epoch, advances the
 * epoch, and makes all store buffers drain (membarrier).  It reuses the
 * object when every slot is idle or later than the tag.
 *
 * Faults to be found: NO_BARRIER (the buffers are not drained), EARLY_TAG
 * (the tag is taken before the object is out of reach), SAME_EPOCH (a slot
 * that equals the tag does no harm), LATE_SLOT (announced after the pointer
 * is read).
 *
 * One reader is enough: readers write nothing that another one reads.
 */
#define READERS 1
#define WRITERS 2
#define OBJECTS 4
#define LOOKUPS 2
#define IDLE 255

byte epoch = 1;
byte slot[READERS] = IDLE;
chan buffer[READERS] = [3] of { byte };

byte published = 0;
byte life[OBJECTS]; /* how often its memory was reused */
bool free[OBJECTS] = true;

/* The store buffer of a reader drains when it likes. */
proctype drain(byte r)
{
	byte x;

end:	do
	:: d_step { buffer[r]?x -> slot[r] = x }
	od
}

inline membarrier()
{
#ifndef NO_BARRIER
	d_step {
		i = 0;
		do
		:: i < READERS ->
			do
			:: nempty(buffer[i]) -> buffer[i]?x; slot[i] = x
			:: empty(buffer[i]) -> break
			od;
			i++
		:: else -> break
		od;
		i = 0;
		x = 0
	}
#else
	skip
#endif
}

proctype reader(byte r)
{
	byte e, p, seen, n;

	do
	:: n < LOOKUPS ->
		n++;
		e = epoch;
#ifndef LATE_SLOT
		buffer[r]!e;
#endif
		atomic { p = published; seen = life[p] }
#ifdef LATE_SLOT
		buffer[r]!e;
#endif
		/* Two looks: the object is in use for a while. */
		assert(life[p] == seen && !free[p]);
		assert(life[p] == seen && !free[p]);
		buffer[r]!IDLE
	:: else -> break
	od
}

proctype writer(byte updates)
{
	byte old, new, tag, i, x, n;
	bool busy;

	do
	:: n < updates ->
		n++;
		/* Memory that nobody can reach is written and given out. */
		atomic {
			new = 0;
			do
			:: new < OBJECTS && !free[new] -> new++
			:: else -> break
			od;
			assert(new < OBJECTS);
			free[new] = false;
			life[new]++
		}
#ifdef EARLY_TAG
		tag = epoch;
#endif
		atomic { old = published; published = new }
#ifndef EARLY_TAG
		tag = epoch;
#endif
		epoch++;
		do
		:: membarrier();
			busy = false;
			i = 0;
			do
			:: i < READERS ->
#ifdef SAME_EPOCH
				busy = busy || slot[i] < tag;
#else
				busy = busy || slot[i] <= tag;
#endif
				i++
			:: else -> break
			od;
			i = 0;
			if
			:: !busy -> break
			:: busy /* again, later */
			fi
		od;
		free[old] = true;
		old = 0;
		tag = 0
	:: else -> break
	od
}

init {
	byte i;

	atomic {
		free[0] = false;
		i = 0;
		do
		:: i < READERS ->
			run drain(i);
			run reader(i);
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < WRITERS ->
			i++;
			run writer(i)
		:: else -> break
		od
	}
}
