/** Operations of the service itself, and of providers. */
import type { OperationTexts } from '../operation-text.ts';

export const SERVICE: OperationTexts = {
  'get /': { description: 'Returns the name of the service and the addresses of its documents. Needs no key.' },
  'get /v1': { description: 'Returns the name of the service and the addresses of its documents. Needs no key.' },
  'get /healthz': { description: 'Answers 200 while the process is up. Use it as a liveness probe.' },
  'get /readyz': {
    description:
      'Answers 200 when the service can do its work. Otherwise answers 503 with the failed check. Use it as a readiness probe.',
  },
  'get /metrics': { description: 'Returns the metrics of this process in the text format of Prometheus.' },
  'get /v1/openapi.json': { description: 'Returns this document, made from the schemas that check the requests.' },
  'post /v1/webhooks/stripe': {
    description:
      'Receives events of Stripe. The body is checked against `Stripe-Signature` with a tolerance of 300 seconds. An event only causes the object to be fetched, so duplicates, replays and changes of order have no effect. Configure this address in the Stripe dashboard.',
    requests: {
      event: {
        summary: 'An event, which is accepted with its signature only',
        value: {
          id: 'evt_1',
          object: 'event',
          type: 'payment_intent.succeeded',
          data: { object: { id: 'pi_1', object: 'payment_intent' } },
        },
      },
    },
  },
  'post /v1/webhooks/copperx': {
    description:
      'Receives events of CopperX, checked by their HMAC signature and time. An event only causes the payment to be fetched. 404 if this deployment accepts no crypto.',
    requests: {
      event: {
        summary: 'An event, which is accepted with its signature only',
        value: { id: 'evt_1', type: 'checkout_session.completed', data: { object: { id: 'cs_1' } } },
      },
    },
  },
};
