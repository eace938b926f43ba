/*
 * Jobs: what becomes of a request on a slot file, and of its slot.
 *
 * A slot is one job's to write or any number of jobs' to read.  While a PUT
 * writes, its slot has the key but is not to be seen: GET and PROBE miss,
 * PUT and DELETE of that key wait.  While GETs read, nobody takes the slot:
 * it is out of the order of eviction.  DELETE hides it, clears its head and
 * leaves it to the last reader, who finds the head gone and says not found.
 *
 * Crashes.  The order of writing is: head with the first piece in one call,
 * then the other pieces, and the head is the final one.  A process that dies
 * leaves a call done or not done, so wherever bytes of a value are missing,
 * a head with its sequence number is there.  And no PUT begins while one is
 * under way that is puts_max numbers older.  So what a crash may have left
 * half written is among the last puts_max numbers, and recovery reads those
 * values and no others.  A machine that dies may keep any of these bytes;
 * then the checksum is the judge, when the value is read.
 */

#include "store/store_job.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

enum { PHASE_READ, PHASE_HEAD, PHASE_BODY, PHASE_SYNC, PHASE_CLEAR };

/* Half-written bytes that recovery may have to look through. */
#define PUTS_BYTES (UINT64_C(128) << 20)

uint32_t
aibrix__puts_max(uint64_t value_bytes)
{
	uint64_t n = PUTS_BYTES / (value_bytes ? value_bytes : 1);

	return n < 2 ? 2 : n > JOB_PUTS ? JOB_PUTS : (uint32_t)n;
}

static struct span
job_span(const struct jobs *jobs, const struct job *job)
{
	return (struct span){.iov = job->io->iov,
			     .n_iov = job->io->n_iov,
			     .lead = job->lead,
			     .bytes = job->bytes,
			     .at = aibrix__slot_at(jobs->slots, job->slot)};
}

static uint64_t
value_sum(const struct jobs *jobs, const struct job *job)
{
	const aibrix_io *io = job->io;
	uint64_t left = job->bytes;
	struct xxh3_stream stream;

	if (left <= io->iov[0].bytes)
		return jobs->xxh->hash(io->iov[0].base, left);
	aibrix__xxh3_start(&stream, 0);
	for (uint32_t i = 0; i < io->n_iov && left; i++) {
		uint64_t some = io->iov[i].bytes;

		if (some > left)
			some = left;
		jobs->xxh->add(&stream, io->iov[i].base, some);
		left -= some;
	}
	return aibrix__xxh3_end_64(&stream);
}

static void
phase_begin(struct job *job, uint32_t phase)
{
	job->phase = phase;
	job->made = 0;
}

static int
job_end(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	done->status = job->status;
	done->os_error = job->status && job->os_error > 0 ? job->os_error : 0;
	if (job->io->op == AIBRIX_STORE_GET ||
	    (job->io->op == AIBRIX_STORE_PUT && !job->status))
		done->bytes = job->bytes;
	jobs->running--;
	jobs->conf->stat->values = jobs->directory.used;
	return JOB_ENDED;
}

/* ---- sequence numbers of PUTs under way */

/* A place for one more, or NULL: one is too old, or there are too many. */
static uint64_t *
put_place(struct jobs *jobs)
{
	uint64_t *place = NULL;

	for (uint32_t i = 0; i < jobs->puts_max; i++) {
		if (!jobs->puts[i])
			place = &jobs->puts[i];
		else if (jobs->sequence - jobs->puts[i] >= jobs->puts_max - 1)
			return NULL;
	}
	return place;
}

static void
put_forget(struct jobs *jobs, struct job *job)
{
	for (uint32_t i = 0; i < jobs->puts_max; i++)
		if (jobs->puts[i] == job->sequence)
			jobs->puts[i] = 0;
}

/* Only a forged file comes near the end of 64 bits; its order of use is lost,
 * no value is. */
static uint64_t
sequence_next(struct jobs *jobs)
{
	jobs->sequence += jobs->sequence < UINT64_MAX;
	return jobs->sequence;
}

/* ---- begin */

static int
get_begin(struct jobs *jobs, struct job *job, uint32_t slot, aibrix_done *done)
{
	const struct place *place = &jobs->directory.places[slot];
	struct span span;

	done->bytes = place->bytes;
	if (place->bytes > io_bytes(job->io)) {
		done->status = AIBRIX_E_SPACE;
		return JOB_ENDED;
	}
	job->slot = slot;
	job->bytes = place->bytes;
	job->lead = place->lead;
	span = job_span(jobs, job);
	job->bounces = !aibrix__span_is_direct(&jobs->rules, &span);
	aibrix__directory_pin(&jobs->directory, slot);
	phase_begin(job, PHASE_READ);
	jobs->running++;
	return JOB_RUNS;
}

/* Slot, number and lead for writing; the slot is taken. */
static void
put_prepare(struct jobs *jobs, struct job *job, uint32_t slot, uint64_t *place)
{
	const aibrix_io *io = job->io;
	struct span span;
	int direct;

	job->slot = slot;
	job->sequence = sequence_next(jobs);
	*place = job->sequence;
	span = job_span(jobs, job);
	span.lead = 0;
	job->lead = aibrix__span_lead(&jobs->rules, &span, &direct);
	job->bounces = !direct;
	job->next = 0;
	aibrix__directory_name(&jobs->directory, slot, io->key, io->key_bytes,
			       job->bytes);
	jobs->directory.places[slot].lead = (uint16_t)job->lead;
	phase_begin(job, PHASE_HEAD);
}

static int
put_begin(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	struct directory *d = &jobs->directory;
	uint64_t *place;
	uint32_t slot;
	int evicted;

	job->bytes = io_bytes(job->io);
	if (job->bytes > jobs->conf->value_bytes) {
		done->status = AIBRIX_E_INVAL;
		return JOB_ENDED;
	}
	place = put_place(jobs);
	if (!place)
		return JOB_WAITS;
	slot = aibrix__directory_take(d, &evicted);
	jobs->conf->stat->evictions += (uint64_t)evicted;
	if (slot == SLOT_NONE && d->bad < d->slots && jobs->running)
		return JOB_WAITS;
	if (slot == SLOT_NONE) {
		done->status = AIBRIX_E_FULL; /* every slot is bad */
		return JOB_ENDED;
	}
	put_prepare(jobs, job, slot, place);
	job->checksum = value_sum(jobs, job);
	jobs->running++;
	return JOB_RUNS;
}

static int
delete_begin(struct jobs *jobs, struct job *job, uint32_t slot)
{
	job->slot = slot;
	aibrix__directory_hide(&jobs->directory, slot);
	jobs->conf->stat->values = jobs->directory.used;
	phase_begin(job, PHASE_CLEAR);
	jobs->running++;
	return JOB_RUNS;
}

int
aibrix__job_begin(struct jobs *jobs, struct job *job, const aibrix_io *io,
		  aibrix_done *done)
{
	struct directory *d = &jobs->directory;
	uint32_t slot = aibrix__directory_find(d, io->key, io->key_bytes);
	int used = slot != SLOT_NONE && aibrix__directory_uses(d, slot);

	*job = (struct job){.io = io, .slot = SLOT_NONE};
	done->status = AIBRIX_OK;
	if (slot != SLOT_NONE && !used &&
	    (io->op == AIBRIX_STORE_PUT || io->op == AIBRIX_STORE_DELETE))
		return JOB_WAITS;
	if (!used && io->op != AIBRIX_STORE_PUT) {
		done->status = AIBRIX_E_NOT_FOUND;
		return JOB_ENDED;
	}
	switch (io->op) {
	case AIBRIX_STORE_GET: return get_begin(jobs, job, slot, done);
	case AIBRIX_STORE_DELETE: return delete_begin(jobs, job, slot);
	case AIBRIX_STORE_PROBE:
		done->bytes = d->places[slot].bytes;
		return JOB_ENDED;
	default:
		if (!used)
			return put_begin(jobs, job, done);
		done->flags = AIBRIX_DONE_EXISTED;
		aibrix__directory_hit(d, slot);
		return JOB_ENDED;
	}
}

/* ---- steps */

static int
has_failed(const struct job *job)
{
	return job->os_error || job->status;
}

int
aibrix__job_wants_sync(const struct job *job)
{
	return job->phase == PHASE_SYNC && !job->made && !has_failed(job);
}

int
aibrix__job_is_syncing(const struct job *job)
{
	return job->phase == PHASE_SYNC && job->out;
}

int
aibrix__job_wants(const struct job *job)
{
	if (job->phase == PHASE_CLEAR)
		return !job->made;
	if (has_failed(job))
		return 0;
	if (!job->made)
		return job->phase != PHASE_BODY ||
		       job->next < job->bytes - job->lead;
	return (job->phase == PHASE_READ || job->phase == PHASE_BODY) &&
	       job->next < job->bytes - job->lead;
}

static void
head_make(const struct jobs *jobs, const struct job *job, struct step *step)
{
	struct slot_head head = {.sequence = job->sequence,
				 .bytes = job->bytes,
				 .checksum = job->checksum,
				 .slot = job->slot,
				 .lead = job->lead,
				 .key_bytes = job->io->key_bytes};

	memcpy(head.key, job->io->key, job->io->key_bytes);
	aibrix__slot_encode(jobs->slots->cpu, &head, step->edge);
}

int
aibrix__job_bounces(const struct job *job)
{
	return job->bounces && job->phase <= PHASE_BODY;
}

void
aibrix__job_step(struct jobs *jobs, struct job *job, struct step *step)
{
	struct span span = job_span(jobs, job);

	job->out++;
	switch (job->phase) {
	case PHASE_SYNC: aibrix__step_make_sync(step); break;
	case PHASE_CLEAR:
		memset(step->edge, 0, SLOT_HEAD);
		aibrix__step_make_head(step, STEP_WRITE, span.at);
		break;
	case PHASE_READ:
		aibrix__step_make(&jobs->rules, &span, step, STEP_READ,
				  job->next);
		job->next += step->bytes;
		break;
	default:
		if (job->phase == PHASE_HEAD)
			head_make(jobs, job, step);
		aibrix__step_make(&jobs->rules, &span, step, STEP_WRITE,
				  job->next);
		job->next += step->bytes;
	}
	job->made = 1;
}

/* Is this the head of the value that the directory has here? */
static int
head_matches(const struct jobs *jobs, const struct job *job,
	     const uint8_t *bytes, struct slot_head *head)
{
	return aibrix__slot_decode(jobs->slots, job->slot, bytes, head) ==
		       AIBRIX_OK &&
	       head->bytes == job->bytes && head->lead == job->lead &&
	       head->key_bytes == job->io->key_bytes &&
	       memcmp(head->key, job->io->key, head->key_bytes) == 0;
}

static void
step_read(const struct jobs *jobs, struct job *job, const struct step *step)
{
	struct span span = job_span(jobs, job);
	struct slot_head head;

	aibrix__step_scatter(&span, step);
	if (!step->has_head || !head_matches(jobs, job, step->edge, &head))
		return;
	job->head_is_it = 1;
	job->checksum = head.checksum;
}

int
aibrix__job_result(struct jobs *jobs, struct job *job, struct step *step,
		   int64_t result)
{
	int failed = aibrix__step_result(&jobs->rules, step, result);

	/* What was given up is not begun again. */
	if (failed == STEP_AGAIN && job->status && job->phase != PHASE_CLEAR)
		failed = ECANCELED;
	if (failed == STEP_AGAIN)
		return STEP_AGAIN;
	job->out--;
	if (failed &&
	    (!job->os_error || (job->phase == PHASE_CLEAR && failed == EIO)))
		job->os_error = failed;
	else if (!failed && step->kind == STEP_READ)
		step_read(jobs, job, step);
	return 0;
}

/* Clearing a head is neither given up nor told of. */
void
aibrix__job_stop(struct job *job, int32_t status)
{
	if (!has_failed(job) && job->phase != PHASE_CLEAR)
		job->status = status;
}

/* ---- ends of phases */

static void
fault_log(const struct jobs *jobs, const struct job *job, const char *what)
{
	int full = aibrix__file_status(job->os_error) == AIBRIX_E_FULL;

	aibrix__log(jobs->conf->log, full ? AIBRIX_LOG_WARN : AIBRIX_LOG_ERROR,
		    full ? LOG_STORE_FULL : LOG_STORE_IO,
		    "store %s: %s slot %" PRIu32 ": errno %d%s",
		    jobs->conf->path, what, job->slot, job->os_error,
		    job->os_error == EIO ? ", not used again" : "");
}

/* The slot shall hold nothing: its head goes, status stays. */
static int
clear_begin(struct job *job)
{
	phase_begin(job, PHASE_CLEAR);
	return JOB_RUNS;
}

/* The bytes are not what was stored: nobody shall find them again.  Another
 * reader, or a DELETE, may have been faster. */
static int
get_drop(struct jobs *jobs, struct job *job, const char *why, aibrix_done *done)
{
	if (!aibrix__directory_uses(&jobs->directory, job->slot)) {
		job->status = AIBRIX_E_NOT_FOUND;
		job->bytes = 0;
		aibrix__directory_unpin(&jobs->directory, job->slot);
		return job_end(jobs, job, done);
	}
	job->status = AIBRIX_E_CORRUPT;
	job->os_error = 0;
	job->drops = 1;
	aibrix__log(jobs->conf->log, AIBRIX_LOG_ERROR, LOG_STORE_SLOT_DROPPED,
		    "store %s: slot %" PRIu32 " dropped: %s", jobs->conf->path,
		    job->slot, why);
	aibrix__directory_hide(&jobs->directory, job->slot);
	return clear_begin(job);
}

static int
get_settle(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	struct directory *d = &jobs->directory;

	if (!job->status && job->os_error == FILE_END)
		return get_drop(jobs, job, "file was cut short", done);
	if (!job->status && job->os_error) {
		job->status = aibrix__file_status(job->os_error);
		fault_log(jobs, job, "reading");
		if (job->os_error == EIO &&
		    aibrix__directory_uses(d, job->slot)) {
			aibrix__directory_hide(d, job->slot);
			return clear_begin(job);
		}
	}
	if (!job->status && !job->head_is_it)
		return get_drop(jobs, job, "its head has changed", done);
	if (!job->status && !(job->io->flags & AIBRIX_IO_SUMMED) &&
	    job->checksum != value_sum(jobs, job))
		return get_drop(jobs, job,
				"its value does not match its checksum", done);
	aibrix__directory_unpin(d, job->slot);
	return job_end(jobs, job, done);
}

static int
put_settle(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	if (has_failed(job)) {
		if (!job->status) {
			job->status = aibrix__file_status(job->os_error);
			fault_log(jobs, job, "writing");
		} else {
			job->os_error = 0;
		}
		return clear_begin(job);
	}
	if (job->phase == PHASE_HEAD && job->next < job->bytes - job->lead) {
		phase_begin(job, PHASE_BODY);
		return JOB_RUNS;
	}
	if (job->phase != PHASE_SYNC &&
	    jobs->conf->flags & AIBRIX_STORE_DURABLE) {
		phase_begin(job, PHASE_SYNC);
		return JOB_RUNS;
	}
	put_forget(jobs, job);
	aibrix__directory_show(&jobs->directory, job->slot);
	return job_end(jobs, job, done);
}

/* Preallocated blocks are there, but not on a filesystem that copies on
 * write: once, another value's blocks are tried. */
static int
put_again(struct jobs *jobs, struct job *job)
{
	struct directory *d = &jobs->directory;
	uint64_t *place;
	uint32_t slot;
	int evicted;

	if (job->again || job->status != AIBRIX_E_FULL)
		return 0;
	place = put_place(jobs);
	slot = place ? aibrix__directory_take(d, &evicted) : SLOT_NONE;
	if (slot == SLOT_NONE)
		return 0;
	jobs->conf->stat->evictions += (uint64_t)evicted;
	aibrix__directory_release(d, job->slot);
	job->again = 1;
	job->status = AIBRIX_OK;
	job->os_error = 0;
	put_prepare(jobs, job, slot, place);
	return 1;
}

/* The head is cleared, or could not be.  A slot that the device cannot read
 * or write is not used again. */
static int
clear_settle(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	struct directory *d = &jobs->directory;
	uint32_t op = job->io->op;
	int bad = job->os_error == EIO;

	if (op == AIBRIX_STORE_PUT) {
		put_forget(jobs, job);
		if (!bad && put_again(jobs, job))
			return JOB_RUNS;
	} else if (op == AIBRIX_STORE_DELETE && job->os_error) {
		job->status = aibrix__file_status(job->os_error);
		fault_log(jobs, job, "clearing");
	} else if (op == AIBRIX_STORE_DELETE &&
		   jobs->conf->flags & AIBRIX_STORE_DURABLE) {
		phase_begin(job, PHASE_SYNC);
		return JOB_RUNS;
	} else if (job->drops && job->os_error) {
		fault_log(jobs, job, "clearing");
	}
	if (bad)
		aibrix__directory_retire(d, job->slot);
	else
		aibrix__directory_release(d, job->slot);
	jobs->conf->stat->dropped += bad || job->drops;
	if (op == AIBRIX_STORE_GET)
		aibrix__directory_unpin(d, job->slot);
	if (job->drops)
		job->os_error = 0; /* the damage is what is told */
	return job_end(jobs, job, done);
}

static int
delete_synced(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	if (!job->status && job->os_error) {
		job->status = aibrix__file_status(job->os_error);
		fault_log(jobs, job, "clearing");
	}
	aibrix__directory_release(&jobs->directory, job->slot);
	return job_end(jobs, job, done);
}

int
aibrix__job_settle(struct jobs *jobs, struct job *job, aibrix_done *done)
{
	if (job->phase == PHASE_CLEAR)
		return clear_settle(jobs, job, done);
	switch (job->io->op) {
	case AIBRIX_STORE_GET: return get_settle(jobs, job, done);
	case AIBRIX_STORE_PUT: return put_settle(jobs, job, done);
	default: return delete_synced(jobs, job, done);
	}
}
