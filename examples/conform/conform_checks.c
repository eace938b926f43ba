#include "conform/conform_checks.h"

/* Names are sentences about any store. */
const struct conform_check conform_checks[] = {
	{"bytes come back as they were", check_bytes_come_back, 16},
	{"a miss is a miss", check_a_miss_is_a_miss, 16},
	{"a probe tells the length", check_a_probe_tells_the_length, 16},
	{"the first value stays", check_the_first_value_stays, 16},
	{"what is deleted is gone", check_what_is_deleted_is_gone, 16},
	{"too little memory is told", check_too_little_memory_is_told, 16},
	{"too long a value is refused", check_too_long_a_value_is_refused, 16},
	{"any key will do", check_any_key_will_do, 16},
	{"registered memory is used alike",
	 check_registered_memory_is_used_alike, 16},
	{"values outlive a close", check_values_outlive_a_close, 16},
	{"submit takes a prefix", check_submit_takes_a_prefix, 16},
	{"each request ends once", check_each_request_ends_once, 64},
	{"a quiet store is quiet", check_a_quiet_store_is_quiet, 16},
	{"a late request times out", check_a_late_request_times_out, 64},
	{"a cancelled request ends", check_a_cancelled_request_ends, 64},
	{"one key bears many requests", check_one_key_many_requests, 64},
	{"more than fits is no fault", check_more_than_fits_is_no_fault, 64},
	{"memory is left alone afterwards",
	 check_memory_is_left_alone_afterwards, 64},
	{"a close with work under way leaves memory alone",
	 check_a_close_with_work_under_way, 64},
	{"random programs agree with a model", check_random_programs, 64},
};

const uint32_t conform_n_checks =
	sizeof(conform_checks) / sizeof(conform_checks[0]);
