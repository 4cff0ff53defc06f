import type { ReactNode } from 'react';
import { Narrow } from './parts';

export const BrokenLink = ({ from, below }: { from: string; below?: ReactNode }) =>
  <Narrow title="This link is not whole" lead={`Open it again from ${from}, all of it, or ask for a new one.`} below={below} />;
