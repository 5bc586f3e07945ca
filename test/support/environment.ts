/** The environment of a process that has all that it needs, and nothing more. */
export const COMPLETE_ENVIRONMENT = {
  DATABASE_URL: 'postgresql://db/burnrate',
  TEMPORAL_ADDRESS: 'temporal:7233',
  STRIPE_SECRET_KEY: 'sk_test_x',
  STRIPE_WEBHOOK_SECRET: 'whsec_x',
  SMTP_URL: 'smtp://mail:1025',
  MAIL_FROM: 'billing@burnrate.example',
  PLATFORM_WEBHOOK_URL: 'https://platform.example/events',
  PLATFORM_WEBHOOK_SECRET: 'whsec_cGxhdGZvcm0tc2VjcmV0',
  BURNRATE_PLATFORM_KEY: 'a-key-of-the-platform',
  PUBLIC_URL: 'https://billing.example',
};
