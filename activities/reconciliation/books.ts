/** The books of every configured provider: Stripe's always, CopperX's where crypto is offered. */
import type Stripe from 'stripe';
import { createCopperxBooks } from '../copperx/books.ts';
import { type CopperxOptions, createCopperx } from '../copperx/client.ts';
import { createStripeBooks } from '../stripe/books.ts';
import type { ProviderBooks } from './provider-books.ts';

export const allBooks = (
  stripe: Stripe,
  crypto: (Pick<CopperxOptions, 'apiKey' | 'apiBase'> & { confirmations: number }) | null,
): ProviderBooks[] => [
  createStripeBooks(stripe),
  ...(crypto ? [createCopperxBooks(createCopperx(crypto), crypto.confirmations)] : []),
];
