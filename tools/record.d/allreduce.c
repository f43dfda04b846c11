// SPDX-License-Identifier: Apache-2.0
// A training loop without the model: compute (sleep), then a collective over MPI, again and
// again.
//
//	allreduce OPERATION BYTES STEP_MS BUCKETS SECONDS
//
// OPERATION: allreduce, allgather or alltoall. The bytes of a step go out in BUCKETS pieces, as
// frameworks do that overlap communication with the backward pass.
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void collective(const char *operation, float *in, float *out, int n, int n_ranks)
{
	if (strcmp(operation, "allgather") == 0)
		MPI_Allgather(in, n / n_ranks, MPI_FLOAT, out, n / n_ranks, MPI_FLOAT,
		              MPI_COMM_WORLD);
	else if (strcmp(operation, "alltoall") == 0)
		MPI_Alltoall(in, n / n_ranks, MPI_FLOAT, out, n / n_ranks, MPI_FLOAT,
		             MPI_COMM_WORLD);
	else
		MPI_Allreduce(in, out, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
	int n_ranks, n, buckets;
	double started, seconds;
	float *in, *out;
	int goes_on = 1;

	MPI_Init(&argc, &argv);
	if (argc != 6)
		MPI_Abort(MPI_COMM_WORLD, 2);
	MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
	buckets = atoi(argv[4]);
	n = atoi(argv[2]) / 4 / buckets;
	seconds = atof(argv[5]);
	in = calloc((size_t)n, sizeof(*in));
	out = calloc((size_t)n, sizeof(*out));
	if (in == NULL || out == NULL)
		MPI_Abort(MPI_COMM_WORLD, 1);
	started = MPI_Wtime();
	while (goes_on) {
		usleep((useconds_t)atoi(argv[3]) * 1000);
		for (int i = 0; i < buckets; i++)
			collective(argv[1], in, out, n, n_ranks);
		// Rank 0 says when it is over, or the others would wait for it.
		goes_on = MPI_Wtime() - started < seconds;
		MPI_Bcast(&goes_on, 1, MPI_INT, 0, MPI_COMM_WORLD);
	}
	free(in);
	free(out);
	MPI_Finalize();
	return 0;
}
