import { defineConfig } from 'prisma/config';

// `prisma migrate deploy` reads the address here; the app itself is handed it (process/config.ts).
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(process.env.DATABASE_URL && { datasource: { url: process.env.DATABASE_URL } }),
});
