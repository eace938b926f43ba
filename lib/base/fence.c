#define _DEFAULT_SOURCE /* syscall */

#include "base/fence.h"

#if defined(__SANITIZE_THREAD__)
#define SEES_FENCES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEES_FENCES 1
#endif
#endif

/* ThreadSanitizer cannot know what the kernel does to other threads. */
#if defined(__linux__) && !defined(SEES_FENCES)

#include <sys/syscall.h>
#include <unistd.h>

/* From linux/membarrier.h, which older systems lack. */
enum { EXPEDITED = 1 << 3, REGISTER_EXPEDITED = 1 << 4 };

int
aibrix__fence_asymmetric(void)
{
	return syscall(SYS_membarrier, REGISTER_EXPEDITED, 0, 0) == 0;
}

void
aibrix__fence_heavy(int asymmetric)
{
	if (!asymmetric || syscall(SYS_membarrier, EXPEDITED, 0, 0) != 0)
		atomic_thread_fence(memory_order_seq_cst);
}

#else

int
aibrix__fence_asymmetric(void)
{
	return 0;
}

void
aibrix__fence_heavy(int asymmetric)
{
	(void)asymmetric;
	atomic_thread_fence(memory_order_seq_cst);
}

#endif
