// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <stdlib.h>

void sl_model_free(struct sl_model *model)
{
	if (model == NULL)
		return;
	free(model->vips);
	free(model->ranges);
	free(model->prefixes);
	free(model->pools);
	free(model->probes);
	free(model->backends);
	if (model->quics != NULL)
		explicit_bzero(model->quics, model->n_quics * sizeof(*model->quics));
	free(model->quics);
	free(model);
}
